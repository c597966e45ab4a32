"""Classification where a part may have several labels: `inspector train --task classify` with cells like `a|b`."""
