import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import scala.Tuple2;

/**
 * Adds up numbers by their remainders, with a shuffle, and compares the sums with the right ones: at least as many times as
 * argument 1 says, and until there is a file of the name of argument 2.
 */
public final class Rounds {
    private static final int REMAINDERS = 100;
    private static final int TIMES = 100;
    private static final int PARTS = 4;

    public static void main(String[] arguments) {
        int least = Integer.parseInt(arguments[0]);
        Path enough = Path.of(arguments[1]);
        List<Integer> numbers = new ArrayList<>();
        for (int number = 0; number < REMAINDERS * TIMES; number++) {
            numbers.add(number);
        }
        try (JavaSparkContext context = new JavaSparkContext(new SparkConf().setAppName("Rounds"))) {
            for (int round = 1; round <= least || !Files.exists(enough); round++) {
                check(context.parallelize(numbers, PARTS)
                    .mapToPair(number -> new Tuple2<>(number % REMAINDERS, (long) number))
                    .reduceByKey(Long::sum, PARTS)
                    .collectAsMap());
                System.out.println("round " + round + " is right");
            }
            System.out.println("all rounds are right");
        }
    }

    private static void check(Map<Integer, Long> sums) {
        for (int remainder = 0; remainder < REMAINDERS; remainder++) {
            long right = (long) remainder * TIMES + (long) REMAINDERS * TIMES * (TIMES - 1) / 2;
            if (sums.size() != REMAINDERS || sums.get(remainder) != right) {
                throw new IllegalStateException("remainder " + remainder + " of " + sums.size() + ": " + sums.get(remainder));
            }
        }
    }
}
