"""The five kinds of evidence for an operator, and the table that ``refconv verify`` prints."""
