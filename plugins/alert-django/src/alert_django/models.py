"""No models: the outbox has its tables from SQLAlchemy. Django tells only apps with such a module of `migrate`."""
