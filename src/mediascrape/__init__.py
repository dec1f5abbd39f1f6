"""mediascrape: page URLs in, every image, video, audio file and embed out."""
