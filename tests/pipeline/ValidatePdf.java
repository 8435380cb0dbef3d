import java.io.File;
import java.util.ArrayList;
import java.util.Date;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.logging.LogManager;
import javax.xml.parsers.DocumentBuilderFactory;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.TestAssertion;
import org.verapdf.pdfa.validation.profiles.Profiles;
import org.verapdf.pdfa.validation.profiles.Rule;
import org.verapdf.pdfa.validation.profiles.ValidationProfile;
import org.verapdf.pdfa.validation.profiles.Variable;
import org.verapdf.pdfa.validation.validators.ValidatorFactory;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/** Holds files against profiles of veraPDF: java -cp JAR ValidatePdf.java PDFA-2A,PDFUA-1 FILE... */
class ValidatePdf {
  public static void main(String[] args) throws Exception {
    LogManager.getLogManager().reset();
    VeraGreenfieldFoundryProvider.initialise();
    for (String name : args[0].split(",")) {
      ValidationProfile profile = profile(name);
      for (int i = 1; i < args.length; i++) {
        try (var parser =
                Foundries.defaultInstance()
                    .createParser(new File(args[i]), profile.getPDFAFlavour());
            var validator = ValidatorFactory.createValidator(profile, -1, false, true, false)) {
          var found = validator.validate(parser);
          System.out.printf(
              "%s %s %d %s%n",
              name,
              found.isCompliant() ? "passed" : "failed",
              found.getTotalAssertions(),
              new File(args[i]).getName());
          for (TestAssertion one : found.getTestAssertions())
            if (one.getStatus() == TestAssertion.Status.FAILED)
              System.out.println("  " + one.getRuleId().getClause() + " " + one.getMessage());
        }
      }
    }
  }

  /** Reads a profile as it lies in the jar, which is shipped without a binding for XML. */
  static ValidationProfile profile(String name) throws Exception {
    var stream = Profiles.class.getResourceAsStream("/org/verapdf/pdfa/validation/" + name + ".xml");
    Element root =
        DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(stream).getDocumentElement();
    Set<Rule> rules = new HashSet<>();
    for (Element each : all(root, "rule")) {
      Element id = all(each, "id").get(0);
      rules.add(
          Profiles.ruleFromValues(
              Profiles.ruleIdFromValues(
                  PDFAFlavour.Specification.valueOf(id.getAttribute("specification")),
                  id.getAttribute("clause"),
                  Integer.parseInt(id.getAttribute("testNumber"))),
              each.getAttribute("object"),
              each.hasAttribute("deferred") ? Boolean.valueOf(each.getAttribute("deferred")) : null,
              each.getAttribute("tags"),
              text(each, "description"),
              text(each, "test"),
              Profiles.errorFromValues(text(each, "message"), new ArrayList<>()),
              new ArrayList<>()));
    }
    Set<Variable> variables = new HashSet<>();
    for (Element each : all(root, "variable"))
      variables.add(
          Profiles.variableFromValues(
              each.getAttribute("name"),
              each.getAttribute("object"),
              text(each, "defaultValue"),
              text(each, "value")));
    return Profiles.profileFromValues(
        PDFAFlavour.valueOf(root.getAttribute("flavour")),
        Profiles.profileDetailsFromValues(name, name, name, new Date(0)),
        "",
        rules,
        variables);
  }

  static List<Element> all(Element within, String tag) {
    List<Element> out = new ArrayList<>();
    NodeList found = within.getElementsByTagName(tag);
    for (int i = 0; i < found.getLength(); i++) out.add((Element) found.item(i));
    return out;
  }

  static String text(Element within, String tag) {
    return all(within, tag).get(0).getTextContent();
  }
}
