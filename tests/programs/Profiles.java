import java.util.Arrays;
import java.util.List;

import org.apache.spark.SparkConf;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.resource.ExecutorResourceRequests;
import org.apache.spark.resource.ResourceProfile;
import org.apache.spark.resource.ResourceProfileBuilder;
import org.apache.spark.resource.TaskResourceRequests;

/** Two stages with executors of different sizes: says which GPUs the tasks of the second one have. */
public final class Profiles {
    public static void main(String[] arguments) {
        List<Integer> numbers = Arrays.asList(1, 2, 3, 4);
        try (JavaSparkContext context = new JavaSparkContext(new SparkConf().setAppName("Profiles"))) {
            System.out.println("sum " + context.parallelize(numbers, 2).reduce(Integer::sum));
            // Not before there is a context: the first profile of all is the default one.
            ExecutorResourceRequests executor = new ExecutorResourceRequests().cores(1).memory("600m").resource("gpu", 1, "", "");
            TaskResourceRequests task = new TaskResourceRequests().cpus(1).resource("gpu", 1);
            ResourceProfile profile = new ResourceProfileBuilder().require(executor).require(task).build();
            List<String> gpus = context.parallelize(numbers, 2).repartition(2).withResources(profile)
                .map(number -> String.join("+", TaskContext.get().resourcesJMap().get("gpu").addresses()))
                .distinct().collect();
            System.out.println("GPUs " + gpus);
        }
    }
}
