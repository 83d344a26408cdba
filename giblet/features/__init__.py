"""Numbers for the network: codec frames, text embeddings, optional video backbone."""
