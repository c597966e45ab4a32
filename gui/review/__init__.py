"""Review: a person looks at parts and says what they are."""
