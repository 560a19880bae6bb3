"""Tables with pictures, and the process that draws them. Below all that draw."""
