import io.fabric8.kubernetes.client.server.mock.KubernetesCrudDispatcher;
import io.fabric8.kubernetes.client.server.mock.KubernetesMockServer;
import io.fabric8.mockwebserver.Context;
import io.fabric8.mockwebserver.MockWebServer;
import java.net.InetAddress;
import java.util.HashMap;

/** Kubernetes' API without a cluster behind it: keeps what it is told, and tells it to whoever asks or watches. */
public class KubernetesApi {
  public static void main(String[] words) throws Exception {
    var server = new KubernetesMockServer(
        new Context(), new MockWebServer(), new HashMap<>(), new KubernetesCrudDispatcher(), false);
    server.init(InetAddress.getByName("127.0.0.1"), Integer.parseInt(words[0]));
    System.out.println("listens at " + server.url("/"));
    Thread.currentThread().join();
  }
}
