"""`alertctl hello`."""

import click


@click.command()
@click.argument("name", default="world")
@click.option("--status", default=0)
def hello(name: str, status: int) -> int:
    """Greet NAME."""
    click.echo(f"hello {name}")
    return status
