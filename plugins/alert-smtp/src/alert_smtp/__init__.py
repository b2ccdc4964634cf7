"""E-mail alerts through an SMTP server: the kind `smtp` of alert-core."""
