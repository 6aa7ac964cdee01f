// Counts what passed and what failed, and says it as the other clients do.

export class Checks {
  constructor(name) {
    Object.assign(this, { name, passed: 0, failed: 0 });
  }

  async check(what, body) {
    const began = performance.now();
    try {
      await body();
      this.passed += 1;
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      console.log(`  ok     ${this.name}: ${what} (${seconds} s)`);
    } catch (error) {
      this.failed += 1;
      console.log(`  FAILED ${this.name}: ${what}\n${error.stack}`);
    }
  }

  done() {
    console.log(`${this.name}: ${this.passed} passed, ${this.failed} failed`);
    process.exitCode = this.failed ? 1 : 0;
  }
}
