#!/bin/sh
# Two GPUs, as a worker is told of them.
echo '{"name": "gpu", "addresses": ["4", "7"]}'
