"""What a person looks at: one screen or dialog a file."""
