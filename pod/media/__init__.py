"""From a camera's stream to the newest frame: one session a camera, nothing buffered without a bound."""
