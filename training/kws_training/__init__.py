"""From folders of recordings to a trained Keras model and its manifest."""
