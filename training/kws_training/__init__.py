"""From folders of recordings to a trained Keras model and the manifest that explains it."""
