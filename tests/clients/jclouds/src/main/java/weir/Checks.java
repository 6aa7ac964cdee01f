package weir;

/** Counts what passed and what failed, and says it as the other clients do. */
final class Checks {

    interface Check {
        void run() throws Exception;
    }

    private final String name;
    private int passed;
    private int failed;

    Checks(String name) {
        this.name = name;
    }

    void check(String what, Check check) {
        long began = System.nanoTime();
        try {
            check.run();
            passed++;
            System.out.printf("  ok     %s: %s (%.1f s)%n", name, what, (System.nanoTime() - began) / 1e9);
        } catch (Exception | AssertionError failure) {
            failed++;
            System.out.printf("  FAILED %s: %s%n", name, what);
            failure.printStackTrace(System.out);
        }
    }

    /** Says so, and whether nothing failed. */
    boolean done() {
        System.out.printf("%s: %d passed, %d failed%n", name, passed, failed);
        return failed == 0;
    }

    static void expect(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError(otherwise);
        }
    }
}
