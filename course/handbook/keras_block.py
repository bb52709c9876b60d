"""The feed-forward half of a SmolLM2 block in Keras, as a text to read: it needs TensorFlow, the course does not.

A test runs the text where TensorFlow is installed, and compares it with the same layer in PyTorch.
"""

from __future__ import annotations

KERAS_FEED_FORWARD = '''\
import keras


def feed_forward(C: int, hidden: int) -> keras.Model:
    """SwiGLU: (B, T, C) -> (B, T, C)."""
    x = keras.Input((None, C))
    gate = keras.layers.Dense(hidden, activation="silu", use_bias=False, name="gate")(x)
    up = keras.layers.Dense(hidden, use_bias=False, name="up")(x)
    y = keras.layers.Dense(C, use_bias=False, name="down")(gate * up)
    return keras.Model(x, y)


def fill(model: keras.Model, weights: dict) -> None:
    """Weights by name, each (in, out): a Dense kernel is what x is multiplied by from the right."""
    for name in ("gate", "up", "down"):
        model.get_layer(name).set_weights([weights[name]])
'''
