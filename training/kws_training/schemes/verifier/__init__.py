"""The second network: it looks at a longer stretch of sound and confirms or refuses a candidate."""
