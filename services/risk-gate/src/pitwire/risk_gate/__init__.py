"""Approves or denies every order intent before execution sees it."""
