import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;

/** A job, then nothing until there is a file of the name of the argument, then the same job again. */
public final class Bursts {
    private static final List<Integer> NUMBERS = Arrays.asList(1, 2, 3, 4, 5, 6, 7, 8);

    public static void main(String[] arguments) throws InterruptedException {
        try (JavaSparkContext context = new JavaSparkContext(new SparkConf().setAppName("Bursts"))) {
            System.out.println("first sum " + slowSum(context));
            while (!Files.exists(Path.of(arguments[0]))) {
                Thread.sleep(100);
            }
            System.out.println("second sum " + slowSum(context));
        }
    }

    private static int slowSum(JavaSparkContext context) {
        return context.parallelize(NUMBERS, NUMBERS.size()).map(number -> {
            Thread.sleep(1000);
            return number;
        }).reduce(Integer::sum);
    }
}
