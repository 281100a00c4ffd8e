"""What shows that a promise is kept: the privacy statement as a table. Nothing here decides or delivers."""
