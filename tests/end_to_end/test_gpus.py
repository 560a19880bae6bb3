"""GPUs that Spark shares out; of machines that say they have some, as nobody here has."""

import re

import pytest

from standalone import standalone

HERE = ["cluster.conf.spark.driver.host=127.0.0.1", "cluster.conf.spark.driver.bindAddress=127.0.0.1"]


@pytest.mark.by_hand
def test_tasks_get_the_gpus_that_a_cluster_has(command, tmp_path, monkeypatch, store):
    finds = tmp_path / "find.sh"
    finds.write_text("""#!/bin/sh\necho '{"name": "gpu", "addresses": ["3"]}'\n""")
    finds.chmod(0o755)
    has = {"amount": "1", "discoveryScript": finds}
    monkeypatch.setenv("SPARK_WORKER_OPTS", " ".join(f"-Dspark.worker.resource.gpu.{k}={v}" for k, v in has.items()))
    with standalone(tmp_path) as cluster:
        own = [f"cluster.master={cluster.address}", f"cluster.shared_folder={tmp_path}/nfs", *HERE]
        done = command("experiments", "doctor", "cluster=standalone", "cluster.gpus=1", *own)
    assert done.returncode == 0, done.stdout
    assert re.search(r"GPUs +ok +(1|2) for as many tasks at a time: 3 on ", done.stdout)
