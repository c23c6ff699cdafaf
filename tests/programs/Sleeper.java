import java.util.ArrayList;
import java.util.List;

/** Says that it has started, with what, and which variables of its submitter it has, and sleeps until somebody ends it. */
public final class Sleeper {
    public static void main(String[] arguments) throws InterruptedException {
        System.out.println("started with " + String.join(",", arguments));
        List<String> known = new ArrayList<>(List.of("SPARK_VAR", "SPARK_ENV_LOADED", "SPARK_CONF_DIR"));
        known.retainAll(System.getenv().keySet());
        System.out.println("variables " + known);
        while (true) {
            Thread.sleep(1000);
        }
    }
}
