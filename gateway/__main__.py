"""`python -m gateway`: the same as `privacy-gateway`."""

from gateway.cli import main

main(prog_name="privacy-gateway")
