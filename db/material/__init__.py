"""What a training would learn from: labelled parts weighed, split and listed. Pure, but for the reading itself."""
