"""The control-plane activities: they realise in the cloud what the store asks for, and write down what they see."""
