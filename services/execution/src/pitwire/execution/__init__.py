"""Sends approved orders to venues and reports what became of them."""
