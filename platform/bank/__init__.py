"""The bank: frozen pretrained networks, each a folder with its weights and a card that says what they are."""
