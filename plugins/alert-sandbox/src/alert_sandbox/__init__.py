"""A stand-in on loopback for every provider of alert-core, with a page that shows what arrived."""
