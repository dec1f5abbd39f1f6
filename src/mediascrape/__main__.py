"""`python -m mediascrape` is the `mediascrape` command."""

from mediascrape.cli import main

main()
