"""The sample site of `mediascrape demo`: pages and pictures of our own, served on loopback."""
