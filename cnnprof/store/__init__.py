"""Where results go to stay or to be worked on: data frames."""
