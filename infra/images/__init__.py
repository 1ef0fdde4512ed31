"""Images where no registry is, and what builds them."""
