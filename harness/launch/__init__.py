"""How launches are carried out. A launcher turns planned launches into records."""
