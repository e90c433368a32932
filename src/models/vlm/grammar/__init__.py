"""The score grammar: reads numbers from the words of a reply, or raises `UnparsableReply`. No model lives here."""
