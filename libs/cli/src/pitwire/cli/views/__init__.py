"""What the looking commands read and how they show it."""
