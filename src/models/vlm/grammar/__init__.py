"""From the words of a reply to numbers, or to `UnparsableReply`. No model."""
