"""What runs under and around the services: servers for development, images, users with least privilege."""
