"""Other projects' wake-word engines, each in an environment of its own, run on the same sound as ours."""
