/** Certificates made by openssl in a directory of their own, for one test file. */
export interface TestCa {
  /** PEM of the authority. */
  readonly ca: string;
  /** Key and certificate for edge.localhost, 127.0.0.1 and ::1. */
  readonly key: string;
  readonly cert: string;
}

export async function makeTestCa(): Promise<TestCa> {
  const dir = await Deno.makeTempDir({ prefix: "postern_test_ca_" });
  const openssl = async (...args: string[]) => {
    const { success, stderr } = await new Deno.Command("openssl", { args, cwd: dir, stderr: "piped" })
      .output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
  };
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  try {
    await openssl(
      "req",
      "-x509",
      ...curve,
      "-keyout",
      "ca.key",
      "-out",
      "ca.pem",
      "-days",
      "2",
      "-subj",
      "/CN=ca",
    );
    await openssl("req", ...curve, "-keyout", "edge.key", "-out", "edge.csr", "-subj", "/CN=edge");
    await Deno.writeTextFile(
      `${dir}/extensions`,
      "subjectAltName=DNS:edge.localhost,IP:127.0.0.1,IP:::1\nbasicConstraints=CA:FALSE\n",
    );
    await openssl(
      ..."x509 -req -in edge.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 -extfile extensions -out edge.pem"
        .split(" "),
    );
    const [ca, key, cert] = await Promise.all(
      ["ca.pem", "edge.key", "edge.pem"].map((name) => Deno.readTextFile(`${dir}/${name}`)),
    );
    return { ca, key, cert };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
