"""What is written down: cells, records, certificates, and the store that keeps them."""
