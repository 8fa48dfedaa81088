"""Where strategies come from: shipped ones, files of the user, installed packages."""
