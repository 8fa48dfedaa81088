"""Builders and fakes that the tests of every member share."""
