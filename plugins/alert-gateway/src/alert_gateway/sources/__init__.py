"""One module for each format, with `parse(body, headers, query, settings)`: a body in, alerts out, nothing else."""
