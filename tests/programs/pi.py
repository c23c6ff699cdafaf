"""Computes π by throwing darts: argument 1 is the number of tasks."""

import random
import sys

from pyspark.sql import SparkSession

DARTS = 10_000


def hits(_task):
    return sum(random.uniform(-1, 1) ** 2 + random.uniform(-1, 1) ** 2 <= 1 for _ in range(DARTS))


def main():
    tasks = int(sys.argv[1])
    session = SparkSession.builder.appName("python pi").getOrCreate()
    total = session.sparkContext.parallelize(range(tasks), tasks).map(hits).sum()
    print(f"Pi is roughly {4 * total / (DARTS * tasks)}")
    session.stop()


if __name__ == "__main__":
    main()
