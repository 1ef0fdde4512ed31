"""What infra/compose.yaml needs beside the images: secrets, the first preparation, the proxy's configuration."""
