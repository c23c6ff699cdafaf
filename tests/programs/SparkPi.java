import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;

import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;

/** Computes π by throwing darts: argument 1 is the number of tasks. */
public final class SparkPi {
    private static final int DARTS = 100_000;

    public static void main(String[] arguments) {
        int tasks = Integer.parseInt(arguments[0]);
        List<Integer> numbers = new ArrayList<>();
        for (int task = 0; task < tasks; task++) {
            numbers.add(task);
        }
        try (JavaSparkContext context = new JavaSparkContext(new SparkConf().setAppName("Spark Pi"))) {
            long hits = context.parallelize(numbers, tasks).map(task -> hits()).reduce(Long::sum);
            System.out.println("Pi is roughly " + 4.0 * hits / ((double) DARTS * tasks));
        }
    }

    private static long hits() {
        ThreadLocalRandom random = ThreadLocalRandom.current();
        long hits = 0;
        for (int dart = 0; dart < DARTS; dart++) {
            double x = random.nextDouble(-1, 1);
            double y = random.nextDouble(-1, 1);
            hits += x * x + y * y <= 1 ? 1 : 0;
        }
        return hits;
    }
}
