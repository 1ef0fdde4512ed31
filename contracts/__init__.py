"""The versioned contracts of Sightline: messages, topics, HTTP resources. Standard library and pydantic only."""
