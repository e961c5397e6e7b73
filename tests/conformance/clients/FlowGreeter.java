import com.amazonaws.ClientConfiguration;
import com.amazonaws.auth.AWSStaticCredentialsProvider;
import com.amazonaws.auth.BasicAWSCredentials;
import com.amazonaws.client.builder.AwsClientBuilder;
import com.amazonaws.services.simpleworkflow.AmazonSimpleWorkflow;
import com.amazonaws.services.simpleworkflow.AmazonSimpleWorkflowClientBuilder;
import com.amazonaws.services.simpleworkflow.flow.*;
import com.amazonaws.services.simpleworkflow.flow.annotations.*;
import com.amazonaws.services.simpleworkflow.flow.core.*;
import com.amazonaws.services.simpleworkflow.flow.worker.GenericWorkflowClientExternalImpl;
import com.amazonaws.services.simpleworkflow.model.*;
import java.util.Arrays;

/** AWS Flow for Java: activities with a heartbeat, a failure that is caught, a timer, a signal, state, a child. */
public class FlowGreeter {
  static final String DOMAIN = "flow", LIST = "greeter";

  @Activities(version = "1.0")
  @ActivityRegistrationOptions(defaultTaskScheduleToStartTimeoutSeconds = 60,
      defaultTaskStartToCloseTimeoutSeconds = 60, defaultTaskHeartbeatTimeoutSeconds = 30)
  public interface Hello {
    String hello(String name);
    String moody(String value);
  }

  public static class HelloImpl implements Hello {
    private boolean seen;

    public String hello(String name) {
      try {
        new ActivityExecutionContextProviderImpl().getActivityExecutionContext().recordActivityHeartbeat("half");
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
      return "hello " + name;
    }

    public String moody(String value) {
      if (!seen) {
        seen = true;
        throw new IllegalStateException("not at the first time");
      }
      return value;
    }
  }

  @Workflow
  @WorkflowRegistrationOptions(defaultExecutionStartToCloseTimeoutSeconds = 300,
      defaultTaskStartToCloseTimeoutSeconds = 10)
  public interface Greeter {
    @Execute(version = "1.0") Promise<String> greet(String name);
    @Signal void nudge(String word);
    @GetState String state();
  }

  @Workflow
  @WorkflowRegistrationOptions(defaultExecutionStartToCloseTimeoutSeconds = 300,
      defaultTaskStartToCloseTimeoutSeconds = 10)
  public interface Child {
    @Execute(version = "1.0") Promise<String> play(String name);
  }

  static Promise<String> activity(String name, Promise<String> argument) {
    ActivityType type = new ActivityType().withName("Hello." + name).withVersion("1.0");
    return new DynamicActivitiesClientImpl().scheduleActivity(
        type, new Promise<?>[] {argument}, (ActivitySchedulingOptions) null, String.class);
  }

  public static class ChildImpl implements Child {
    public Promise<String> play(String name) {
      return activity("hello", Promise.asPromise(name));
    }
  }

  public static class GreeterImpl implements Greeter {
    private final DecisionContext context = new DecisionContextProviderImpl().getDecisionContext();
    private final Settable<String> nudged = new Settable<String>();
    private String state = "new";

    public Promise<String> greet(String name) {
      final Settable<String> result = new Settable<String>();
      final Promise<String> twice = activity("hello", activity("hello", Promise.asPromise(name)));
      Promise<?> pause = context.getWorkflowClock().createTimer(1);
      new TryCatchFinally(twice, pause, nudged) {
        private Promise<String> moody;

        protected void doTry() {
          moody = activity("moody", Promise.asPromise("try"));
        }

        protected void doCatch(Throwable e) {
          state = "caught";
          moody = activity("moody", Promise.asPromise("catch"));
        }

        protected void doFinally() {
          final Promise<String> child = new DynamicWorkflowClientImpl(
              new WorkflowExecution().withWorkflowId("child"),
              new WorkflowType().withName("Child.play").withVersion("1.0")).startWorkflowExecution(
                  new Object[] {"child"}, (StartWorkflowOptions) null, String.class);
          result.chain(new Functor<String>(child, moody) {
            protected Promise<String> doExecute() {
              state += ", done";
              String all = String.join("|", twice.get(), moody.get(), child.get(), nudged.get());
              return Promise.asPromise(all);
            }
          });
        }
      };
      return result;
    }

    public void nudge(String word) {
      nudged.set(word);
    }

    public String state() {
      return state;
    }
  }

  public static void main(String[] arguments) throws Throwable {
    AmazonSimpleWorkflow swf = AmazonSimpleWorkflowClientBuilder.standard()
        .withClientConfiguration(new ClientConfiguration().withSocketTimeout(70000))
        .withEndpointConfiguration(
            new AwsClientBuilder.EndpointConfiguration(System.getenv("AWS_ENDPOINT_URL_SWF"), "us-east-1"))
        .withCredentials(new AWSStaticCredentialsProvider(
            new BasicAWSCredentials(System.getenv("AWS_ACCESS_KEY_ID"), "x"))).build();
    RegisterDomainRequest domain =
        new RegisterDomainRequest().withName(DOMAIN).withWorkflowExecutionRetentionPeriodInDays("1");
    swf.registerDomain(domain);
    try {
      swf.registerDomain(domain);
      throw new AssertionError("a domain was registered twice");
    } catch (DomainAlreadyExistsException expected) {
      if (!expected.getErrorMessage().equals(DOMAIN)) throw expected;
    }
    ActivityWorker worker = new ActivityWorker(swf, DOMAIN, LIST);
    worker.addActivitiesImplementation(new HelloImpl());
    worker.start();
    WorkflowWorker decider = new WorkflowWorker(swf, DOMAIN, LIST);
    decider.addWorkflowImplementationType(GreeterImpl.class);
    decider.addWorkflowImplementationType(ChildImpl.class);
    decider.start();
    DynamicWorkflowClientExternal client = new DynamicWorkflowClientExternalImpl(
        new WorkflowExecution().withWorkflowId("greeting"),
        new WorkflowType().withName("Greeter.greet").withVersion("1.0"),
        new StartWorkflowOptions().withTagList(Arrays.asList("first", "second")), new JsonDataConverter(),
        new GenericWorkflowClientExternalImpl(swf, DOMAIN));
    client.startWorkflowExecution(new Object[] {"you"}, new StartWorkflowOptions().withTaskList(LIST)
        .withExecutionStartToCloseTimeoutSeconds(300L).withTaskStartToCloseTimeoutSeconds(10L));
    Thread.sleep(2500);
    System.out.println("state while it runs: " + client.getWorkflowExecutionState(String.class));
    client.signalWorkflowExecution("nudge", new Object[] {"nudged"});
    DescribeWorkflowExecutionRequest describe = new DescribeWorkflowExecutionRequest()
        .withDomain(DOMAIN).withExecution(client.getWorkflowExecution());
    for (int tries = 0; tries < 60; tries++) {
      if (swf.describeWorkflowExecution(describe).getExecutionInfo().getCloseStatus() != null) {
        System.exit(0);
      }
      Thread.sleep(250);
    }
    System.exit(1);
  }
}
