"""The acoustic loop: sound played over a loudspeaker and recorded in the same room at the same time."""
